package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// pkg is one package of the product, parsed and checked.
type pkg struct {
	rel   string // to the module
	path  string
	set   *token.FileSet
	files []*file
	info  *types.Info
	types *types.Package
	imp   types.Importer
}

type file struct {
	rel, abs string
	src      []byte
	tree     *ast.File
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// load reads the packages under root. The types of what they import come from
// the compiler's export data, so the module must build.
func load(root, module string, packages []string) ([]*pkg, error) {
	args := []string{"list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles"}
	for _, p := range packages {
		args = append(args, "./"+p)
	}
	out, err := goTool(context.Background(), root, args...)
	if err != nil {
		return nil, err
	}
	exports, dirs := map[string]string{}, map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[l.ImportPath], dirs[l.ImportPath] = l.Export, l
	}
	var list []*pkg
	for _, rel := range packages {
		l, ok := dirs[path.Join(module, rel)]
		if !ok {
			return nil, fmt.Errorf("no package %s in %s", rel, module)
		}
		p := &pkg{rel: rel, path: l.ImportPath, set: token.NewFileSet()}
		p.imp = importer.ForCompiler(p.set, "gc", func(name string) (io.ReadCloser, error) {
			if exports[name] == "" {
				return nil, fmt.Errorf("no export data of %s", name)
			}
			return os.Open(exports[name])
		})
		for _, name := range l.GoFiles {
			abs := filepath.Join(l.Dir, name)
			src, err := os.ReadFile(abs)
			if err != nil {
				return nil, err
			}
			if err := p.add(path.Join(rel, name), abs, src); err != nil {
				return nil, err
			}
		}
		if err := p.check(); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func (p *pkg) add(rel, abs string, src []byte) error {
	tree, err := parser.ParseFile(p.set, abs, src, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return err
	}
	p.files = append(p.files, &file{rel, abs, src, tree})
	return nil
}

// check finds the types of the package as it is.
func (p *pkg) check() error {
	p.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	var trees []*ast.File
	for _, f := range p.files {
		trees = append(trees, f.tree)
	}
	var err error
	p.types, err = p.config().Check(p.path, p.set, trees, p.info)
	return err
}

func (p *pkg) config() *types.Config {
	return &types.Config{Importer: p.imp, Sizes: types.SizesFor("gc", runtime.GOARCH)}
}

// compiles tells whether the package still does with src in the place of f.
func (p *pkg) compiles(f *file, src []byte) bool {
	set := token.NewFileSet()
	var trees []*ast.File
	for _, g := range p.files {
		text := g.src
		if g == f {
			text = src
		}
		tree, err := parser.ParseFile(set, g.abs, text, parser.SkipObjectResolution)
		if err != nil {
			return false
		}
		trees = append(trees, tree)
	}
	_, err := p.config().Check(p.path, set, trees, nil)
	return err == nil
}

// goTool runs the go command in dir and returns what it prints.
func goTool(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args[:min(2, len(args))], " "), err, msg.String())
	}
	return out.Bytes(), nil
}
