// Package rig starts servers, each on a processor of its own, and this program once more as the load on another.
package rig
