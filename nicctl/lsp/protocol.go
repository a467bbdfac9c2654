package lsp

// The parts of the protocol that the server speaks, named as there.

type position struct {
	Line      int `json:"line"`
	Character int `json:"character"` // UTF-16 code units
}

type rangeOf struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type location struct {
	URI   string  `json:"uri"`
	Range rangeOf `json:"range"`
}

type textEdit struct {
	Range   rangeOf `json:"range"`
	NewText string  `json:"newText"`
}

type workspaceEdit struct {
	Changes map[string][]textEdit `json:"changes"`
}

type documentID struct {
	URI     string `json:"uri"`
	Version int    `json:"version,omitempty"`
}

type positionParams struct {
	TextDocument documentID `json:"textDocument"`
	Position     position   `json:"position"`
}

type initializeParams struct {
	InitializationOptions *settings `json:"initializationOptions"`
}

// settings are what a client can say of programs; the flags of `nicctl lsp` are
// the defaults.
type settings struct {
	IncludeDirs []string `json:"includeDirs"`
	Defines     []string `json:"defines"`
	Undefines   []string `json:"undefines"`
}

type didOpenParams struct {
	TextDocument struct {
		URI     string `json:"uri"`
		Version int    `json:"version"`
		Text    string `json:"text"`
	} `json:"textDocument"`
}

type didChangeParams struct {
	TextDocument   documentID `json:"textDocument"`
	ContentChanges []struct {
		Range *rangeOf `json:"range"`
		Text  string   `json:"text"`
	} `json:"contentChanges"`
}

type documentParams struct {
	TextDocument documentID `json:"textDocument"`
}

type referenceParams struct {
	positionParams
	Context struct {
		IncludeDeclaration bool `json:"includeDeclaration"`
	} `json:"context"`
}

type renameParams struct {
	positionParams
	NewName string `json:"newName"`
}

type codeActionParams struct {
	TextDocument documentID `json:"textDocument"`
	Range        rangeOf    `json:"range"`
}

type diagnostic struct {
	Range              rangeOf       `json:"range"`
	Severity           int           `json:"severity"`
	Code               string        `json:"code"`
	Source             string        `json:"source"`
	Message            string        `json:"message"`
	RelatedInformation []relatedInfo `json:"relatedInformation,omitempty"`
}

type relatedInfo struct {
	Location location `json:"location"`
	Message  string   `json:"message"`
}

type publishParams struct {
	URI         string       `json:"uri"`
	Version     *int         `json:"version,omitempty"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type codeAction struct {
	Title       string        `json:"title"`
	Kind        string        `json:"kind"`
	Diagnostics []diagnostic  `json:"diagnostics"`
	IsPreferred bool          `json:"isPreferred"`
	Edit        workspaceEdit `json:"edit"`
}

type hover struct {
	Contents markup  `json:"contents"`
	Range    rangeOf `json:"range"`
}

type markup struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// symbolKind and completionKind are numbers of the protocol.
type symbolKind int

const (
	symModule      symbolKind = 2
	symClass       symbolKind = 5
	symMethod      symbolKind = 6
	symField       symbolKind = 8
	symConstructor symbolKind = 9
	symEnum        symbolKind = 10
	symInterface   symbolKind = 11
	symFunction    symbolKind = 12
	symVariable    symbolKind = 13
	symConstant    symbolKind = 14
	symObject      symbolKind = 19
	symEnumMember  symbolKind = 22
	symStruct      symbolKind = 23
	symEvent       symbolKind = 24
	symTypeParam   symbolKind = 26
)

type documentSymbol struct {
	Name           string           `json:"name"`
	Detail         string           `json:"detail,omitempty"`
	Kind           symbolKind       `json:"kind"`
	Range          rangeOf          `json:"range"`
	SelectionRange rangeOf          `json:"selectionRange"`
	Children       []documentSymbol `json:"children,omitempty"`
}

type completionKind int

const (
	compMethod     completionKind = 2
	compFunction   completionKind = 3
	compField      completionKind = 5
	compVariable   completionKind = 6
	compClass      completionKind = 7
	compModule     completionKind = 9
	compProperty   completionKind = 10
	compKeyword    completionKind = 14
	compEnumMember completionKind = 20
	compConstant   completionKind = 21
	compStruct     completionKind = 22
	compEvent      completionKind = 23
)

type completionItem struct {
	Label         string         `json:"label"`
	Kind          completionKind `json:"kind"`
	Detail        string         `json:"detail,omitempty"`
	Documentation *markup        `json:"documentation,omitempty"`
}

type completionList struct {
	IsIncomplete bool             `json:"isIncomplete"`
	Items        []completionItem `json:"items"`
}

// capabilities is the answer to initialize.
func capabilities(version string) any {
	type m = map[string]any
	return m{
		"serverInfo": m{"name": "nicctl lsp", "version": version},
		"capabilities": m{
			"positionEncoding":           "utf-16",
			"textDocumentSync":           m{"openClose": true, "change": 2, "save": m{"includeText": false}},
			"definitionProvider":         true,
			"typeDefinitionProvider":     true,
			"referencesProvider":         true,
			"documentHighlightProvider":  true,
			"hoverProvider":              true,
			"documentSymbolProvider":     true,
			"completionProvider":         m{"triggerCharacters": []string{".", "@", ":"}},
			"documentFormattingProvider": true,
			"renameProvider":             m{"prepareProvider": true},
			"codeActionProvider":         m{"codeActionKinds": []string{"quickfix"}},
		},
	}
}
