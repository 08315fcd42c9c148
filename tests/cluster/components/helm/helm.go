//go:build components

// Package helm names Helm's program. It is a module of its own: beside Kubernetes each would change what the other is made of.
package helm

import _ "helm.sh/helm/v4/cmd/helm"
