#include "martlet_digits.h"
