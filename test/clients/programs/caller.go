// Calls the broker in each way that net/http knows. Arguments: the listener's port, that with h2c, that with TLS, a file with its CA.
// One line for each call: its name, the status, and the body or what went wrong.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var body = make([]byte, 300_000)

func say(name string, client *http.Client, request *http.Request) {
	answer, err := client.Do(request)
	if err != nil {
		fmt.Printf("%s: %v\n", name, err)
		return
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	if err != nil {
		fmt.Printf("%s: %v\n", name, err)
		return
	}
	if answer.StatusCode != 200 {
		read = nil
	}
	fmt.Printf("%s: %d %s %s\n", name, answer.StatusCode, strings.TrimSpace(string(read)), answer.Proto)
}

func request(method string, url string, content io.Reader) *http.Request {
	made, err := http.NewRequest(method, url, content)
	if err != nil {
		panic(err)
	}
	made.SetBasicAuth("billing", "secret")
	return made
}

// Hides how long it is.
type unknown struct{ io.Reader }

func all(name string, client *http.Client, url string) {
	say(name, client, request("GET", url, nil))
	say(name+", POST", client, request("POST", url, bytes.NewReader(body)))
	say(name+", of unknown length", client, request("PUT", url, unknown{bytes.NewReader(body)}))
	expecting := request("POST", url, bytes.NewReader(body))
	expecting.Header.Set("Expect", "100-continue")
	say(name+", Expect", client, expecting)
	say(name+", HEAD", client, request("HEAD", url, nil))
	trailing := request("POST", url, unknown{bytes.NewReader(body)})
	trailing.Trailer = http.Header{"X-Sum": {"42"}}
	say(name+", trailer", client, trailing)
	nobody := request("POST", url, bytes.NewReader(body))
	nobody.Header.Del("Authorization")
	say(name+", nobody", client, nobody)
	var group sync.WaitGroup
	var fine atomic.Int64
	for range 40 {
		group.Add(1)
		go func() {
			defer group.Done()
			answer, err := client.Do(request("GET", url, nil))
			if err != nil {
				return
			}
			defer answer.Body.Close()
			if _, err := io.Copy(io.Discard, answer.Body); err == nil && answer.StatusCode == 200 {
				fine.Add(1)
			}
		}()
	}
	group.Wait()
	fmt.Printf("%s, 40 at once: %d times 200\n", name, fine.Load())
}

func main() {
	plain, h2c, secure, file, socket := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	all("net/http", &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 5 * time.Second}}, "http://127.0.0.1:"+plain+"/api/")

	clear := new(http.Protocols)
	clear.SetUnencryptedHTTP2(true)
	all("net/http, h2c", &http.Client{Transport: &http.Transport{Protocols: clear}}, "http://127.0.0.1:"+h2c+"/api/")

	certificate, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certificate)
	all("net/http, TLS", &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: trusted}}}, "https://localhost:"+secure+"/api/")

	proxy, err := url.Parse("http://billing:secret@127.0.0.1:" + plain)
	if err != nil {
		panic(err)
	}
	proxied := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	asked, err := http.NewRequest("GET", "http://orders.acme.example/v1", nil)
	if err != nil {
		panic(err)
	}
	say("net/http, proxy", proxied, asked)

	dial := func(_ context.Context, _, _ string) (net.Conn, error) { return net.Dial("unix", socket) }
	say("net/http, Unix socket", &http.Client{Transport: &http.Transport{DialContext: dial}}, request("GET", "http://localhost/api/", nil))
}
