package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A list in both of its forms, as a server writes them.
type sample struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Protobuf   []byte          `json:"protobuf"`
	JSON       json.RawMessage `json:"json"`
}

type encoded interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// Writes lists of all kinds with fields filled at random (the same in every run): what reads them must find the same in both forms.
func samples(lists map[schema.GroupVersionKind]reflect.Type) error {
	kinds := make([]schema.GroupVersionKind, 0, len(lists))
	for kind := range lists {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	out := json.NewEncoder(os.Stdout)
	for _, kind := range kinds {
		filler := filler{rand.New(rand.NewSource(int64(len(kind.String()))))}
		list := reflect.New(lists[kind])
		items := list.Elem().FieldByName("Items")
		items.Set(reflect.MakeSlice(items.Type(), 3, 3))
		for i := range 3 {
			filler.fill(items.Index(i), 0)
		}
		filler.fill(list.Elem().FieldByName("ListMeta"), 0)
		raw, err := list.Interface().(encoded).Marshal()
		if err != nil {
			return err
		}
		// A server's objects were read from their stored form before they are written as anything.
		stored := reflect.New(lists[kind])
		if err := stored.Interface().(encoded).Unmarshal(raw); err != nil {
			return err
		}
		text, err := json.Marshal(stored.Interface())
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		envelope := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind + "List"}, Raw: raw}
		body, err := envelope.Marshal()
		if err != nil {
			return err
		}
		if err := out.Encode(sample{kind.GroupVersion().String(), kind.Kind, append([]byte("k8s\x00"), body...), text}); err != nil {
			return err
		}
	}
	return nil
}

type filler struct{ random *rand.Rand }

func (f filler) some() bool { return f.random.Intn(3) > 0 }

func (f filler) text() string {
	texts := []string{"", "a", "name-7", "a\"b\\c\n", "größe ✓", "<&>\u2028", "app.kubernetes.io/name", "10Mi"}
	return texts[f.random.Intn(len(texts))]
}

func (f filler) fill(value reflect.Value, depth int) {
	switch value.Type() {
	case reflect.TypeFor[metav1.Time]():
		if f.some() {
			value.Set(reflect.ValueOf(metav1.Unix(f.random.Int63n(4_000_000_000)-1_000_000_000, 0).Rfc3339Copy()))
		}
		return
	case reflect.TypeFor[metav1.MicroTime]():
		if f.some() {
			value.Set(reflect.ValueOf(metav1.NewMicroTime(time.Unix(f.random.Int63n(4_000_000_000), f.random.Int63n(1_000_000)*1000))))
		}
		return
	case reflect.TypeFor[resource.Quantity]():
		value.Set(reflect.ValueOf(resource.MustParse([]string{"0", "1500m", "2Gi", "1e3", "-5", "0.5", "123456789012345678901"}[f.random.Intn(7)])))
		return
	case reflect.TypeFor[intstr.IntOrString]():
		if f.some() {
			value.Set(reflect.ValueOf(intstr.FromInt32(f.random.Int31n(100) - 50)))
		} else {
			value.Set(reflect.ValueOf(intstr.FromString(f.text())))
		}
		return
	case reflect.TypeFor[metav1.FieldsV1]():
		fields := []string{`{"f:metadata":{"f:labels":{".":{},"f:a/b":{}}},"f:spec":{"f:list":{"k:{\"name\":\"x\"}":{".":{}}}}}`, `{}`}
		value.Set(reflect.ValueOf(metav1.FieldsV1{Raw: []byte(fields[f.random.Intn(2)])}))
		return
	case reflect.TypeFor[runtime.RawExtension]():
		if f.some() {
			value.Set(reflect.ValueOf(runtime.RawExtension{Raw: []byte(`{"a":[1,-2.5,"x\n",null,true,{}]}`)}))
		}
		return
	}
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).Name != "TypeMeta" {
				f.fill(value.Field(i), depth+1)
			}
		}
	case reflect.Pointer:
		// Deep within, it is enough that something is there.
		if f.some() && depth < 12 {
			value.Set(reflect.New(value.Type().Elem()))
			f.fill(value.Elem(), depth+1)
		}
	case reflect.Slice:
		if value.Type().Elem().Kind() == reflect.Uint8 {
			if f.some() {
				value.SetBytes([]byte(f.text()))
			}
			return
		}
		count := f.random.Intn(3)
		if depth > 7 {
			count = f.random.Intn(2)
		}
		if count > 0 {
			value.Set(reflect.MakeSlice(value.Type(), count, count))
		}
		for i := range count {
			f.fill(value.Index(i), depth+2)
		}
	case reflect.Map:
		if f.some() {
			value.Set(reflect.MakeMap(value.Type()))
			for range f.random.Intn(3) {
				key, entry := reflect.New(value.Type().Key()).Elem(), reflect.New(value.Type().Elem()).Elem()
				key.SetString(f.text())
				f.fill(entry, depth+2)
				value.SetMapIndex(key, entry)
			}
		}
	case reflect.String:
		value.SetString(f.text())
	case reflect.Bool:
		value.SetBool(f.some())
	case reflect.Int, reflect.Int32, reflect.Int64:
		value.SetInt([]int64{0, 1, -1, 8080, 2147483647}[f.random.Intn(5)])
	}
}
