//go:build components

// Package components names the programs of a Kubernetes node, so that go.mod pins their versions and go.sum what they are
// made of. Nothing here is compiled into anything: tests/cluster/build builds the packages themselves.
package components

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-proxy"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
	_ "k8s.io/kubernetes/cmd/kubectl"
	_ "k8s.io/kubernetes/cmd/kubelet"
	_ "sigs.k8s.io/gateway-api/apis/v1"
	_ "sigs.k8s.io/metrics-server/cmd/metrics-server"
)
