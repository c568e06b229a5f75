package apiserver

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/otelnpd/otelnpd/pipeline/redact"
)

func noCredentials(err error, remedy string) *Error {
	return &Error{Kind: NoCredentials, Remedy: remedy, Err: err}
}

// credentials reads the credentials as they are now: who is asked, how it is
// known to be the right one, and as whom. Kubeconfig files are noted in files.
func (c *Client) credentials(files *fileWatch) (*rest.Config, error) {
	config, err := c.find(files)
	if err != nil {
		return nil, err
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
	return config, nil
}

// find follows Config.Credentials.
func (c *Client) find(files *fileWatch) (*rest.Config, error) {
	switch c.config.Credentials {
	case CredentialsInCluster:
		return c.inCluster()
	case CredentialsKubeconfig:
		return c.kubeconfig(files, c.config.Kubeconfig)
	case CredentialsNone:
		return &rest.Config{}, nil
	case CredentialsAuto:
	}
	return c.auto(files)
}

// auto takes the first there is: the kubeconfig that is named, the Pod's service
// account, the files of $KUBECONFIG.
func (c *Client) auto(files *fileWatch) (*rest.Config, error) {
	if c.config.Kubeconfig != "" {
		return c.kubeconfig(files, c.config.Kubeconfig)
	}
	if !missing(c.tokenFile()) && (c.config.Server != "" || c.serviceHost() != "") {
		return c.inCluster()
	}
	if paths := filepath.SplitList(c.options.Getenv("KUBECONFIG")); len(paths) > 0 {
		return c.kubeconfig(files, paths...)
	}
	return nil, noCredentials(errors.New("there is no kubeconfig, no service account and no $KUBECONFIG"),
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
func (c *Client) kubeconfig(files *fileWatch, paths ...string) (*rest.Config, error) {
	files.add(paths...)
	config, err := c.loadKubeconfig(paths)
	if clientcmd.IsEmptyConfig(err) {
		err = errors.New("there is nothing in it")
	}
	if err != nil {
		return nil, noCredentials(fmt.Errorf("reading the kubeconfig %s: %w", strings.Join(paths, ", "), redact.Error(err)),
			"write a kubeconfig with a current-context, its cluster and its user there, readable for the agent, or set other apiserver.credentials")
	}
	return config, nil
}

func (c *Client) loadKubeconfig(paths []string) (*rest.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: paths}
	if len(paths) == 1 {
		rules = &clientcmd.ClientConfigLoadingRules{ExplicitPath: paths[0]}
	}
	merged, err := rules.Load()
	if err != nil {
		return nil, err
	}
	overrides := &clientcmd.ConfigOverrides{ClusterInfo: clientcmdapi.Cluster{
		Server: c.config.Server, InsecureSkipTLSVerify: c.config.InsecureSkipVerify,
	}}
	return clientcmd.NewNonInteractiveClientConfig(*merged, "", overrides, rules).ClientConfig()
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
