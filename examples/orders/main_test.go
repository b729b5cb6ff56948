package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"signalbox/examples/exampletest"
	"signalbox/handlers/testkit"
	"signalbox/server/auth"
)

func TestOrders(t *testing.T) {
	const secret, key = "a secret of thirty-two bytes ....", "a key of thirty-two bytes .........."
	url := exampletest.Run(t, newServer, "JWT_SECRET", secret, "API_KEY", key)
	token, err := auth.Mint(secret, auth.Claims{UserID: "7"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	stranger := testkit.Dial(t, url)
	stranger.Send("40/orders,")
	if got := stranger.Read(); !strings.HasPrefix(got, "44/orders,") {
		t.Errorf("who has no token is answered %s", got)
	}
	phone, desk := testkit.Dial(t, url), testkit.Dial(t, url)
	for _, c := range []*testkit.Wire{phone, desk} {
		c.Join("/", `{"token":"`+token+`"}`)
		c.Join("/orders", `{"token":"`+token+`"}`)
	}
	phone.Send(`42/orders,1["order",{"item":"tea","count":2}]`)
	phone.Want(`43/orders,1[{"number":1,"item":"tea","count":2}]`)
	desk.Want(`42/orders,["ordered",{"number":1,"item":"tea","count":2}]`)
	phone.Send(`42/orders,2["order",{"item":"tea"}]`)
	phone.Want(`43/orders,2[{"ok":false,"error":"order at least one of something"}]`)

	req, err := http.NewRequest("POST", url+"/api/emit", strings.NewReader(`{"namespace":"/orders","rooms":["user:7"],"event":"shipped","args":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || !strings.Contains(string(body), `"delivered":2`) {
		t.Errorf("the API answers %d %s", res.StatusCode, body)
	}
	phone.Want(`42/orders,["shipped",1]`)
	desk.Want(`42/orders,["shipped",1]`)
}
