# SPDX-License-Identifier: Apache-2.0
# enlarge_embed_page(OUT file...): sources that put the files into the program as they are, and define page_files().
function(enlarge_embed_page out)
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/page_data.S)
  set(table ${CMAKE_CURRENT_BINARY_DIR}/page_files.cpp)
  set(text "    .section .rodata\n")
  set(declarations "")
  set(entries "")
  set(index 0)
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME)
    if(name STREQUAL "cat.jpg")
      set(name sample.jpg)
    endif()
    set(symbol enlarge_page_${index})
    string(APPEND text "    .globl ${symbol}\n    .hidden ${symbol}\n${symbol}:\n    .incbin \"${file}\"\n"
                       "    .globl ${symbol}_end\n    .hidden ${symbol}_end\n${symbol}_end:\n    .byte 0\n")
    string(APPEND declarations "extern const char ${symbol}[], ${symbol}_end[];\n")
    string(APPEND entries "        {\"${name}\", {${symbol}, static_cast<std::size_t>(${symbol}_end - ${symbol})}},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND text "    .section .note.GNU-stack,\"\",%progbits\n")
  file(CONFIGURE OUTPUT ${assembly} CONTENT "${text}" @ONLY)
  file(CONFIGURE OUTPUT ${table} @ONLY CONTENT "// Made by embed.cmake.
#include \"page/page.hpp\"

extern \"C\" {
${declarations}}

namespace serve {

const std::vector<PageFile>& page_files() {
    static const std::vector<PageFile> files{
${entries}    };
    return files;
}

}  // namespace serve
")
  set_source_files_properties(${assembly} PROPERTIES OBJECT_DEPENDS "${ARGN}")
  set(${out} ${assembly} ${table} PARENT_SCOPE)
endfunction()
