// A tiny HTTP server for tests of the cluster itself. It answers with the name of its pod:
//
//	hello [serve ADDRESS]
//	hello fetch URL
//
// The second form prints what a server says: the client for `kubectl exec` in an image without a shell.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	switch {
	case len(os.Args) == 1:
		serve(":8080")
	case len(os.Args) == 3 && os.Args[1] == "serve":
		serve(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "fetch":
		if err := fetch(os.Args[2]); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatal("usage: hello [serve ADDRESS | fetch URL]")
	}
}

func serve(address string) {
	host, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	answer := func(response http.ResponseWriter, request *http.Request) {
		log.Printf("%s %s from %s", request.Method, request.URL.Path, request.RemoteAddr)
		fmt.Fprintln(response, host)
	}
	log.Printf("listening on %s", address)
	server := http.Server{Addr: address, Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func fetch(url string) error {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
