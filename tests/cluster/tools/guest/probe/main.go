// Command probe is the only program of the harness's own test image. It serves
// HTTP, asks DNS, fetches an address and writes a file, so that the tests can
// see the cluster's network and volumes from inside a pod.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: probe serve ADDRESS | resolve NAME | get URL | write FILE"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch argument := os.Args[2]; os.Args[1] {
	case "serve":
		fail(serve(argument))
	case "resolve":
		addresses, err := net.DefaultResolver.LookupHost(ctx, argument)
		fail(err)
		fmt.Println(addresses)
	case "get":
		fail(get(ctx, argument))
	case "write":
		fail(os.WriteFile(argument, []byte("kept\n"), 0o600))
	default:
		fail(fmt.Errorf("unknown command %q", os.Args[1]))
	}
}

func serve(address string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	server := &http.Server{Addr: address, ReadHeaderTimeout: 5 * time.Second}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "probe %s host=%s path=%s\n", name, r.Host, r.URL.Path)
	})
	return server.ListenAndServe()
}

func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
