// Types in the place of values (lang:L46).
typedef bit<8> T;
extern E<A> { E(); }
const bit<8> a = T;            // ERROR "expected `.` or `\(` after the type, found `;`"
const bit<8> b = T > 3;        // ERROR "expected `.` or `\(` after the type, found `>`"
const bit<8> c = E<T> + 1;     // ERROR "expected `.` or `\(` after the type, found `\+`"
const varbit d = 1;            // ERROR "expected `<` after varbit"
const tuple e = 1;             // ERROR "expected `<` before the type arguments"
const bit<3 > 2> f = 1;        // ERROR "expected the name of the constant, found `2`"
const bit<(3 > 2 ? 1 : 2)> g = 1;
const list<T, T> h = 1;        // ERROR "expected `>` after the element type"
const E<T,> i = 1;             // ERROR "expected a type, found `>`"
