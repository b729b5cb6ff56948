package api

import "github.com/gin-gonic/gin"

// stats serves GET /api/stats: the live figures of this process by name.
func (a *API) stats(c *gin.Context) (any, error) {
	if _, err := queryOf(c); err != nil {
		return nil, err
	}
	figures := make(map[string]int64)
	if a.cfg.Stats != nil {
		a.cfg.Stats(func(name string, n int64) { figures[name] += n })
	}
	return struct {
		Stats map[string]int64 `json:"stats"`
	}{figures}, nil
}
