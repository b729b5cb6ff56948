// Command manifests reads manifests for Kubernetes and fails at what is no field of their kind. It is a module of its own, built by
// a test, so that nothing of it is linked into signalbox.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	for _, doc := range strings.Split(string(text), "\n---\n") {
		var is struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(doc), &is); err != nil {
			panic(err)
		}
		into := map[string]any{
			"apps/v1 Deployment": new(apps.Deployment), "v1 Service": new(core.Service),
			"policy/v1 PodDisruptionBudget": new(policy.PodDisruptionBudget), "networking.k8s.io/v1 NetworkPolicy": new(network.NetworkPolicy),
		}[is.APIVersion+" "+is.Kind]
		if into == nil {
			fmt.Println(is, "is nothing that is known")
			os.Exit(1)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), into); err != nil {
			fmt.Println(is.Kind, err)
			os.Exit(1)
		}
		fmt.Println(is.Kind, "ok")
	}
}
