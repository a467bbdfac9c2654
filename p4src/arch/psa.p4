// The Portable Switch Architecture: the version of bmv2/psa.p4.

#include <bmv2/psa.p4>
