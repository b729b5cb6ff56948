// Package cluster measures servers that share a Redis, which it starts, and writes the report's section on clusters.
package cluster
