// A missing brace: what follows on the top level is read as such.
control c() {
    apply {
        if (true) {
            x = 1;
    }
}
const bit<8> y = 1;   // ERROR "expected `}` after the apply block, found the keyword `const`"
control d() { apply { } }
struct S {
    bit<8> x;
header H {            // ERROR "expected `}` at the end of the struct, found the keyword `header`"
    bit<8> x;
}
control e() {
    table t {
        key = { x : exact;
        actions = { a; }   // ERROR "expected `:` after the key expression, found `=`"
    }
    apply { }              // ERROR "expected `=` after the name of the property, found `{`"
}
action f() { y z }         // ERROR "expected `;` after the variable, found `}`"
