package bmv2

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/p4info"
)

func TestTmpImport(t *testing.T) {
	for _, dir := range strings.Fields(os.Getenv("IMPDIRS")) {
		es, _ := os.ReadDir(dir)
		ok, bad := 0, 0
		for _, e := range es {
			name, is := strings.CutSuffix(e.Name(), ".json")
			if !is {
				continue
			}
			js, _ := os.ReadFile(dir + "/" + e.Name())
			pi, err := os.ReadFile(dir + "/" + name + ".p4info")
			if err != nil {
				pi, err = os.ReadFile(dir + "/" + name + ".p4info.txt")
			}
			if err != nil {
				continue
			}
			info, err := p4info.Parse(pi)
			if err != nil {
				fmt.Println(name, "p4info", err)
				continue
			}
			p, err := Import(js, info, name)
			if err != nil {
				bad++
				fmt.Println(name, err)
				continue
			}
			ok++
			os.WriteFile(dir+"/"+name+".imp.ir", []byte(p.String()), 0o644)
		}
		fmt.Println(dir, "ok", ok, "bad", bad)
	}
}
