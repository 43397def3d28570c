// Prints what the protobuf form of Kubernetes' built-in kinds means in JSON: of each message its fields by number, with
// the name that JSON has for them, what they are, and when JSON leaves them out. Read from the Go types themselves, whose tags
// are what the API server encodes by.
//
//	= networking.k8s.io/v1 Ingress networking/v1.Ingress    a kind, and its message
//	networking/v1.Ingress                                   a message; of its fields:
//	 1 metadata meta/v1.ObjectMeta                          number, name, type
//	 2 paused? bool                                         left out where it is zero
//	 3 rules! []rbac/v1.PolicyRule                          null where it is absent
//	 4 . core/v1.VolumeSource                               its fields are the message's own
//
// Types: text, int, bool, bytes, time, micro-time, quantity, int-or-string, json, or a message; before it [] of a list, {} of a map.
// A kind with a type that is none of these is left out, and is read as JSON.
package main

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// What JSON and protobuf have a form of their own for.
var special = map[reflect.Type]string{
	reflect.TypeFor[metav1.Time]():          "time",
	reflect.TypeFor[metav1.MicroTime]():     "micro-time",
	reflect.TypeFor[resource.Quantity]():    "quantity",
	reflect.TypeFor[intstr.IntOrString]():   "int-or-string",
	reflect.TypeFor[metav1.FieldsV1]():      "json",
	reflect.TypeFor[runtime.RawExtension](): "json",
}

type message struct {
	lines []string
	uses  []reflect.Type
	// Why it can't be told; empty: it can.
	wrong string
}

var messages = map[reflect.Type]*message{}

func main() {
	writesSamples := len(os.Args) > 1 && os.Args[1] == "samples"
	if len(os.Args) > 1 && !writesSamples {
		if err := merge(os.Args[1:]); err != nil {
			panic(err)
		}
		return
	}
	var kinds []string
	told := map[reflect.Type]bool{}
	lists := map[schema.GroupVersionKind]reflect.Type{}
	for gvk, list := range scheme.Scheme.AllKnownTypes() {
		items, ok := list.FieldByName("Items")
		if !ok || items.Type.Kind() != reflect.Slice || !strings.HasSuffix(gvk.Kind, "List") || strings.ContainsAny(gvk.Version, "_ab") {
			// Alpha and beta: seldom served, and may change in any release.
			continue
		}
		of := items.Type.Elem()
		if _, ok := of.FieldByName("ObjectMeta"); !ok {
			continue
		}
		uses := map[reflect.Type]bool{}
		if why := judge(of, uses); why != "" {
			fmt.Fprintf(os.Stderr, "%s %s is left to JSON: %s\n", gvk.GroupVersion(), of.Name(), why)
			continue
		}
		maps.Copy(told, uses)
		lists[gvk.GroupVersion().WithKind(of.Name())] = list
		kinds = append(kinds, fmt.Sprintf("= %s %s %s", gvk.GroupVersion(), of.Name(), name(of)))
	}
	slices.Sort(kinds)
	if writesSamples {
		if err := samples(lists); err != nil {
			panic(err)
		}
		return
	}
	judge(reflect.TypeFor[metav1.ListMeta](), told)
	judge(reflect.TypeFor[metav1.Status](), told)
	var texts []string
	for of := range told {
		texts = append(texts, name(of)+"\n"+strings.Join(messages[of].lines, ""))
	}
	slices.Sort(texts)
	fmt.Println(strings.Join(kinds, "\n"))
	fmt.Print(strings.Join(texts, ""))
}

// Why a type, or one that it uses, can't be told.
func judge(of reflect.Type, seen map[reflect.Type]bool) string {
	if seen[of] {
		return ""
	}
	seen[of] = true
	found := read(of)
	if found.wrong != "" {
		return found.wrong
	}
	for _, used := range found.uses {
		// An object within an object says in JSON what it is; protobuf has no field for that.
		if _, ok := used.FieldByName("TypeMeta"); ok {
			return name(of) + " holds whole objects: " + name(used)
		}
		if why := judge(used, seen); why != "" {
			return why
		}
	}
	return ""
}

func read(of reflect.Type) *message {
	if known, ok := messages[of]; ok {
		return known
	}
	found := &message{}
	messages[of] = found
	if _, own := reflect.Zero(of).Interface().(interface{ MarshalJSON() ([]byte, error) }); own {
		found.wrong = name(of) + " has a JSON form of its own"
		return found
	}
	for i := range of.NumField() {
		field := of.Field(i)
		tag := strings.Split(field.Tag.Get("protobuf"), ",")
		if len(tag) < 2 {
			if field.Name != "TypeMeta" {
				found.wrong = fmt.Sprintf("%s.%s has no number", name(of), field.Name)
			}
			continue
		}
		if slices.Contains(tag, "packed") {
			found.wrong = fmt.Sprintf("%s.%s is packed", name(of), field.Name)
		}
		line, uses, why := describe(field, tag[1])
		if why != "" {
			found.wrong = fmt.Sprintf("%s.%s: %s", name(of), field.Name, why)
		}
		found.lines = append(found.lines, line)
		if uses != nil {
			found.uses = append(found.uses, uses)
		}
	}
	return found
}

func describe(field reflect.StructField, number string) (line string, uses reflect.Type, why string) {
	options := strings.Split(field.Tag.Get("json"), ",")
	as, omitted := options[0], slices.Contains(options, "omitempty")
	inline := field.Anonymous && as == ""
	of, pointer, prefix := field.Type, false, ""
	if of.Kind() == reflect.Pointer {
		of, pointer = of.Elem(), true
	}
	container := (of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8) || of.Kind() == reflect.Map
	if container {
		prefix = "[]"
		if of.Kind() == reflect.Map {
			if prefix = "{}"; of.Key().Kind() != reflect.String {
				return "", nil, "a map by something else than names"
			}
		}
		if of = of.Elem(); of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
	}
	what, isMessage := "", false
	if known, ok := special[of]; ok {
		what = known
	} else {
		switch of.Kind() {
		case reflect.String:
			what = "text"
		case reflect.Bool:
			what = "bool"
		case reflect.Int, reflect.Int32, reflect.Int64:
			what = "int"
		case reflect.Slice:
			if what = "bytes"; of.Elem().Kind() != reflect.Uint8 {
				return "", nil, "a list in a list or a map"
			}
		case reflect.Struct:
			what, isMessage, uses = name(of), true, of
		default:
			return "", nil, "a " + of.Kind().String()
		}
	}
	scalar := what == "text" || what == "bool" || what == "int" || what == "bytes"
	presence := ""
	switch {
	case inline:
		if container || !isMessage {
			return "", nil, "inline, and no message"
		}
		as = "."
	case slices.Contains(options, "omitzero"):
		if pointer || what != "time" && what != "micro-time" {
			return "", nil, "left out where it is zero, and no time"
		}
		presence = "?"
	case omitted && !pointer && !container && scalar:
		presence = "?"
	case !omitted && (pointer || container || what == "bytes"):
		presence = "!"
	}
	return fmt.Sprintf(" %s %s%s %s%s\n", number, as, presence, prefix, what), uses, ""
}

// The last two parts of the package's path, and the type's name.
func name(of reflect.Type) string {
	parts := strings.Split(of.PkgPath(), "/")
	return strings.Join(parts[max(0, len(parts)-2):], "/") + "." + of.Name()
}
