package apiserver

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func noCredentials(err error, remedy string) *Error {
	return &Error{Kind: NoCredentials, Remedy: remedy, Err: err}
}

// credentials reads the credentials as they are now: who is asked, how it is
// known to be the right one, and as whom. It returns the kubeconfig files read.
func (c *Client) credentials() (*rest.Config, []string, error) {
	config, kubeconfigs, err := c.find()
	if err != nil {
		return nil, nil, err
	}
	if c.config.Server != "" {
		config.Host = c.config.Server
	}
	if c.config.InsecureSkipVerify {
		// A CA beside it would be an error.
		config.Insecure, config.CAFile, config.CAData = true, "", nil
	}
	if c.config.ServiceAccountToken {
		onlyToken(config, c.tokenFile())
	}
	if exec := config.ExecProvider; exec != nil {
		exec.InteractiveMode = clientcmdapi.NeverExecInteractiveMode
	}
	return config, kubeconfigs, nil
}

// find follows Config.Credentials.
func (c *Client) find() (*rest.Config, []string, error) {
	switch c.config.Credentials {
	case CredentialsInCluster:
		config, err := c.inCluster()
		return config, nil, err
	case CredentialsKubeconfig:
		return c.kubeconfig([]string{c.config.Kubeconfig})
	case CredentialsNone:
		return &rest.Config{}, nil, nil
	}
	return c.auto()
}

// auto takes the first there is: the kubeconfig that is named, the Pod's service
// account, the files of $KUBECONFIG.
func (c *Client) auto() (*rest.Config, []string, error) {
	if c.config.Kubeconfig != "" {
		return c.kubeconfig([]string{c.config.Kubeconfig})
	}
	_, noToken := os.Stat(c.tokenFile())
	if noToken == nil && (c.config.Server != "" || c.serviceHost() != "") {
		config, err := c.inCluster()
		return config, nil, err
	}
	if paths := filepath.SplitList(c.options.Getenv("KUBECONFIG")); len(paths) > 0 {
		return c.kubeconfig(paths)
	}
	return nil, nil, noCredentials(errors.New("there is no kubeconfig, no service account and no $KUBECONFIG"),
		"run in a Pod with a service account, or set apiserver.kubeconfig; credentials: none with a server needs neither")
}

// inCluster takes what the kubelet gives to a Pod.
func (c *Client) inCluster() (*rest.Config, error) {
	host := c.serviceHost()
	if host == "" && c.config.Server == "" {
		return nil, noCredentials(errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"),
			"run in a Pod, or set apiserver.server or other apiserver.credentials")
	}
	if _, err := os.Stat(c.tokenFile()); err != nil {
		return nil, noCredentials(fmt.Errorf("looking for the service account's token: %w", err),
			"give the Pod a service account, with automountServiceAccountToken, or set other apiserver.credentials")
	}
	config := &rest.Config{Host: "https://" + host, BearerTokenFile: c.tokenFile()}
	// A cluster with a certificate of a public CA has no file.
	if ca := filepath.Join(c.options.ServiceAccountDir, "ca.crt"); !missing(ca) {
		config.CAFile = ca
	}
	return config, nil
}

// serviceHost returns HOST:PORT of the kubernetes Service; empty: not in a Pod.
func (c *Client) serviceHost() string {
	host, port := c.options.Getenv("KUBERNETES_SERVICE_HOST"), c.options.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return ""
	}
	return net.JoinHostPort(host, port)
}

func (c *Client) tokenFile() string { return filepath.Join(c.options.ServiceAccountDir, "token") }

// kubeconfig takes the current context of files, merged as kubectl does. There
// is no prompt for what they lack, and no looking elsewhere.
func (c *Client) kubeconfig(paths []string) (*rest.Config, []string, error) {
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: paths}
	if len(paths) == 1 {
		rules = &clientcmd.ClientConfigLoadingRules{ExplicitPath: paths[0]}
	}
	const remedy = "write a kubeconfig with a current-context, its cluster and its user there, readable for the agent, or set other apiserver.credentials"
	files, err := rules.Load()
	if err != nil {
		return nil, nil, noCredentials(fmt.Errorf("reading kubeconfig %q: %w", paths, err), remedy)
	}
	overrides := &clientcmd.ConfigOverrides{ClusterInfo: clientcmdapi.Cluster{
		Server: c.config.Server, InsecureSkipTLSVerify: c.config.InsecureSkipVerify,
	}}
	config, err := clientcmd.NewNonInteractiveClientConfig(*files, "", overrides, rules).ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, nil, noCredentials(fmt.Errorf("reading kubeconfig %q: there is nothing in it", paths), remedy)
	case err != nil:
		return nil, nil, noCredentials(fmt.Errorf("reading kubeconfig %q: %w", paths, err), remedy)
	}
	return config, paths, nil
}

// onlyToken makes the token of a file the only identity.
func onlyToken(config *rest.Config, file string) {
	config.BearerToken, config.BearerTokenFile = "", file
	config.Username, config.Password = "", ""
	config.CertFile, config.CertData, config.KeyFile, config.KeyData = "", nil, "", nil
	config.ExecProvider, config.AuthProvider, config.AuthConfigPersister = nil, nil, nil
	config.Impersonate = rest.ImpersonationConfig{}
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
