// The architecture v1model under the name of its reference target.

#include <v1model.p4>
