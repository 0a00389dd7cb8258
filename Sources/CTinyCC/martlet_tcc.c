#include "martlet_tcc.h"
