package machine

import (
	"strings"
	"testing"
	"time"
)

func TestCompanyRemark(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		others, stolen time.Duration
		want           string
		warns          bool
	}{
		"alone":      {others: time.Second, want: "Other programs used 1 % of the processors meanwhile, the machine's host took 0 %"},
		"in company": {others: 30 * time.Second, want: "Other programs used 30 % ", warns: true},
		"bad host":   {stolen: 10 * time.Second, want: "host took 10 %", warns: true},
		"rounding":   {others: -time.Second, want: "Other programs used 0 % "},
	}
	for name, tt := range tests {
		got := companyRemark(tt.others, tt.stolen, 100*time.Second)
		if !strings.Contains(got, tt.want) || strings.Contains(got, "not idle") != tt.warns {
			t.Errorf("%s: %q, want %q, warning %v", name, got, tt.want, tt.warns)
		}
	}
}
