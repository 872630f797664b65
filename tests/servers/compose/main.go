// Loads a Compose file by the library that Docker Compose itself uses, as `docker compose config` does.
//
//	compose FOLDER FILE...
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
)

// Docker Compose adds the format `raw` to its library: what stands behind `=` is the value.
func raw(file io.Reader, _ string, values map[string]string, _ func(string) (string, bool)) error {
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), "=")
		if found && !strings.HasPrefix(strings.TrimSpace(name), "#") {
			values[name] = value
		}
	}
	return lines.Err()
}

func main() {
	if err := load(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(folder string, files []string) error {
	dotenv.RegisterFormat("raw", raw)
	options, err := cli.NewProjectOptions(files,
		cli.WithWorkingDirectory(folder), cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithInterpolation(true), cli.WithResolvedPaths(true), cli.WithNormalization(true), cli.WithConsistency(true))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	fmt.Println(string(text))
	return err
}
