package load

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := ParseOptions([]string{"--burst-rounds", "0", "--deadline", "0s", "--slow-rate", "-1"}, io.Discard)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"--burst-rounds", "--deadline", "--slow-rate"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %q", want, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	o, err := ParseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if doors, cluster, cuts, logic := 6, 5, 4, 2; len(o.scenarios) != len(Scenarios())-1-doors-cluster-cuts-logic {
		t.Errorf("%d scenarios by default, want all but limits, the doors, and those of clusters, cuts and backends", len(o.scenarios))
	}
	if o.burstMembers != 500 || o.pairsRate != 15000 || !slices.Equal(o.urls, []string{"http://127.0.0.1:3000"}) {
		t.Errorf("defaults = %+v", o.sizes)
	}
}
