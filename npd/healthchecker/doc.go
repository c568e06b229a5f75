// Package healthchecker asks once how the kubelet, kube-proxy, docker or a container
// runtime does, and has its unit killed if it is not well: it is what the plugin
// health-checker of node-problem-detector does.
package healthchecker
