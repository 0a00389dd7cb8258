#include "martlet_runtime.h"
