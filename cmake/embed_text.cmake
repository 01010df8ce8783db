# SPDX-License-Identifier: Apache-2.0
# cmake -DIN=file -DOUT=file.cpp -DNAME=symbol -P embed_text.cmake: a text file as a C++ string_view enlarge::NAME.
file(READ "${IN}" text)
if(text MATCHES "\\)embedded\"")
  message(FATAL_ERROR "${IN} holds the delimiter of the raw string")
endif()
file(WRITE "${OUT}" "// Made from ${NAME} by embed_text.cmake.
#include <string_view>
namespace enlarge {
extern const std::string_view ${NAME};
const std::string_view ${NAME} = R\"embedded(${text})embedded\";
}
")
