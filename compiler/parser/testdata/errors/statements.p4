// Errors in statements and recovery at the next one.
control c(inout bit<8> x) {
    apply {
        x = ;                  // ERROR "syntax: expected an expression, found `;`"
        x = 1
        x = 2;                 // ERROR "syntax: expected `;` after the statement, found `x`"
        x + 1;                 // ERROR "expected an assignment or a call, found `\+`"
        x;                     // ERROR "expected an assignment or a call, found `;`"
        bit<8> table = 3;      // ERROR "expected the name of the variable, found the keyword `table`"
        bit<8 y = 2;           // ERROR "expected `>` after the width, found `y`"
        f(1, );                // ERROR "expected an expression, found `\)`"
        f(1 2);                // ERROR "expected `,` or `\)` in the arguments, found `2`"
        if x == 1 { x = 2; }   // ERROR "expected `\(` after `if`, found `x`"
        if (x == 1 { x = 2; }  // ERROR "expected `\)` after the condition, found `{`"
        if (x == 1) bit<8> y;  // ERROR "a declaration cannot stand here"
        switch (x) { 1 {} }    // ERROR "expected `:` after the label, found `{`"
        switch (x) { {}: {} }  // ERROR "expected a label in the switch, found `{`"
        for (x in y) {}        // ERROR "expected an assignment or a call, found the keyword `in`"
        for (;;) {}            // ERROR "expected an expression, found `;`"
        return x               // (continued)
        exit;                  // ERROR "expected `;` after `return`, found the keyword `exit`"
        table = 3;             // ERROR "expected a statement, found the keyword `table`"
        bit<8> in = 3;         // ERROR "expected the name of the variable, found the keyword `in`"
        bit<8> ok = 3 $ 4;     // ERROR "bad-character: unexpected character `\$`"
        ok = 8w;               // ERROR "bad-integer: .*no digits after the width"
        ok = {1, 2 3};         // ERROR "in the list, found `3`"
        ok = {a = 1, 2};       // ERROR "expected a name, found `2`"
        ok = {a = 1, ..., b = 2}; // ERROR "expected `}` after `...`, found `,`"
        ok = x[1:2:3];         // ERROR "expected `\]` after the index"
        ok = (1 + 2;           // ERROR "expected `\)` after the expression"
        ok = error;            // ERROR "expected `.` after `error`"
        ok = bit<8>;           // ERROR "expected an expression, found the keyword `bit`"
        @foo x = 1;            // ERROR "expected a block, loop or declaration after the annotation"
        transition accept;     // ERROR "expected a statement, found the keyword `transition`"
        x = 3;
    }
    bit<8> late;               // ERROR "expected `}` after the apply block, found the keyword `bit`"
}
