// Says what the tools that deploy from Git make of an object: reads a JSON array of objects, writes a JSON array of
// verdicts in the same order.
//
// Nothing is imitated. The word of Flux, of kpt and of Helm 4 is computed by their own library, kstatus; the word of
// Argo CD by the Lua interpreter that it embeds, with the libraries that it opens for a health check and no other, so
// that a script which needs more fails here as it would there.
//
// usage: gitops HEALTH.LUA <objects.json
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// verdict is one word of each tool, and what they say beside it.
type verdict struct {
	Kstatus        string `json:"kstatus"`
	KstatusMessage string `json:"kstatusMessage"`
	Argo           string `json:"argo"`
	ArgoMessage    string `json:"argoMessage"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: gitops HEALTH.LUA <objects.json")
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var objects []map[string]any
	decoder := json.NewDecoder(os.Stdin)
	if err := decoder.Decode(&objects); err != nil {
		return err
	}
	verdicts := make([]verdict, 0, len(objects))
	for at, object := range objects {
		one, err := judge(string(script), object)
		if err != nil {
			return fmt.Errorf("object %d: %w", at, err)
		}
		verdicts = append(verdicts, one)
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

func judge(script string, object map[string]any) (verdict, error) {
	result, err := status.Compute(&unstructured.Unstructured{Object: whole(object).(map[string]any)})
	if err != nil {
		return verdict{}, fmt.Errorf("kstatus: %w", err)
	}
	word, message, err := health(script, object)
	if err != nil {
		return verdict{}, fmt.Errorf("lua: %w", err)
	}
	return verdict{Kstatus: result.Status.String(), KstatusMessage: result.Message, Argo: word, ArgoMessage: message}, nil
}

// whole turns the numbers of JSON into integers, as the API machinery reads them: all of ours are whole.
func whole(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(value))
		for name, inner := range value {
			copied[name] = whole(inner)
		}
		return copied
	case []any:
		copied := make([]any, len(value))
		for at, inner := range value {
			copied[at] = whole(inner)
		}
		return copied
	case float64:
		return int64(value)
	default:
		return value
	}
}

// health runs the script as Argo CD does: the object is the global obj, the answer a table of status and message.
func health(script string, object map[string]any) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		call := lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", errors.New("the script returns no table")
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String(), nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.CreateTable(0, len(value))
		for name, inner := range value {
			table.RawSetString(name, toLua(state, inner))
		}
		return table
	case []any:
		table := state.CreateTable(len(value), 0)
		for _, inner := range value {
			table.Append(toLua(state, inner))
		}
		return table
	case string:
		return lua.LString(value)
	case float64:
		return lua.LNumber(value)
	case bool:
		return lua.LBool(value)
	default:
		return lua.LNil
	}
}
