//go:build components

// Package conformance names the conformance suite of the Gateway API and the server that its pods run. It is a module of its
// own: beside Kubernetes each would change what the other is made of. tests/cluster/build builds the suite's own test.
package conformance

import (
	_ "sigs.k8s.io/gateway-api/conformance"
	_ "sigs.k8s.io/gateway-api/conformance/echo-basic"
)
