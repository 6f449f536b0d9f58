#include "e3_pictures.h"
