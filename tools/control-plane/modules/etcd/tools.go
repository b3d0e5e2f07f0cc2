//go:build tools

// Package tools pins the programs that the control plane consists of.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
