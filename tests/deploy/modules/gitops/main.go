// Judges a resource as GitOps tools do: by kstatus, the library of Flux, and by Lua scripts as Argo CD runs them.
//
// Usage: gitops kstatus, gitops health SCRIPT, gitops action SCRIPT. The resource is read from stdin as JSON.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	switch {
	case len(arguments) == 1 && arguments[0] == "kstatus":
		resource := &unstructured.Unstructured{}
		if err := resource.UnmarshalJSON(input); err != nil {
			return err
		}
		result, err := status.Compute(resource)
		if err != nil {
			return err
		}
		fmt.Println(result.Status)
		return nil
	case len(arguments) == 2 && (arguments[0] == "health" || arguments[0] == "action"):
		script, err := os.ReadFile(arguments[1])
		if err != nil {
			return err
		}
		answer, err := runLua(string(script), input)
		if err != nil {
			return err
		}
		fmt.Println(answer)
		return nil
	}
	return fmt.Errorf("usage: gitops kstatus, gitops health SCRIPT, gitops action SCRIPT")
}

// runLua gives a script what Argo CD gives it (util/lua/lua.go): the global `obj`, the libraries package, base and table,
// of the library os only time and date, and one second.
func runLua(script string, resource []byte) (string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
		{lua.OsLibName, openTimeOnly},
	} {
		state.Push(state.NewFunction(library.open))
		state.Push(lua.LString(library.name))
		if err := state.PCall(1, 0, nil); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	object, err := luajson.Decode(state, resource)
	if err != nil {
		return "", err
	}
	state.SetGlobal("obj", object)
	if err := state.DoString(script); err != nil {
		return "", err
	}
	answer, err := luajson.Encode(state.Get(-1))
	return string(answer), err
}

func openTimeOnly(state *lua.LState) int {
	lua.OpenOs(state)
	all := state.Get(-1).(*lua.LTable)
	safe := state.NewTable()
	for _, name := range []string{"time", "date"} {
		safe.RawSetString(name, all.RawGetString(name))
	}
	state.SetGlobal(lua.OsLibName, safe)
	state.Push(safe)
	return 1
}
