// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "enlarge/enlarge.hpp"

int main() { std::printf("enlarge %s\n", enlarge::version()); }
