#include <core.p4>
