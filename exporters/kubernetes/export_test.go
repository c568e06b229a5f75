package kubernetes

// CodeName is an HTTP status as an attribute.
var CodeName = codeName
