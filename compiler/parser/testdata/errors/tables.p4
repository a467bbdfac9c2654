// Errors in tables.
control c(inout bit<8> x) {
    action a() {}
    table t1 { }                           // ERROR "expected a property of the table, found `}`"
    table t2 {
        key = { x : exact }                // ERROR "expected `;` after the key, found `}`"
        key = { x exact; x : lpm; }        // ERROR "property key is given twice" ERROR "expected `:` after the key expression"
        actions = { a() x; a; }            // ERROR "expected `;` after the action, found `x`"
        size 3;                            // ERROR "expected `=` after the name of the property, found `3`"
        default_action = a                 // (continued)
        const size = 3;                    // ERROR "expected `;` after the property, found the keyword `const`"
    }
    table t3 {
        const key = { }                    // ERROR "property key cannot be const"
        const actions = { }                // ERROR "property actions cannot be const"
        entries = {
            1 : a                          // (continued)
            2 : a;                         // ERROR "expected `;` after the entry, found `2`"
            priority = x : 1 : a;          // ERROR "expected an integer or `\(` as priority"
            (1, ) : a;                     // ERROR "expected an expression, found `\)`"
            1 a;                           // ERROR "expected `:` after the keyset, found `a`"
            3 : a;
        }
    }
    table t4(bit<8> b) { }                 // ERROR "expected `{` after the name of the table, found `\(`"
    apply { }
}
