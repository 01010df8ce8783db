# SPDX-License-Identifier: Apache-2.0
# enlarge_embed_models(OUT file...): sources that put the files into the library as read-only data, byte for byte, and
# define builtin_model_files() of src/api/builtin_models.hpp. An assembler's .incbin: no compiler reads the bytes.
function(enlarge_embed_models out)
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/builtin_models_data.S)
  set(table ${CMAKE_CURRENT_BINARY_DIR}/builtin_models.cpp)
  set(text "    .section .rodata\n")
  set(declarations "")
  set(entries "")
  set(index 0)
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME_WLE)
    set(symbol enlarge_builtin_model_${index})
    string(APPEND text "    .balign 64\n    .globl ${symbol}\n    .hidden ${symbol}\n${symbol}:\n    .incbin \"${file}\"\n"
                       "    .globl ${symbol}_end\n    .hidden ${symbol}_end\n${symbol}_end:\n    .byte 0\n")
    string(APPEND declarations "extern const std::byte ${symbol}[], ${symbol}_end[];\n")
    string(APPEND entries "        {\"${name}\", {${symbol}, static_cast<std::size_t>(${symbol}_end - ${symbol})}},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND text "    .section .note.GNU-stack,\"\",%progbits\n")
  file(CONFIGURE OUTPUT ${assembly} CONTENT "${text}" @ONLY)
  file(CONFIGURE OUTPUT ${table} @ONLY CONTENT "// Made by embed_models.cmake.
#include \"api/builtin_models.hpp\"

extern \"C\" {
${declarations}}

namespace enlarge {

const std::vector<BuiltinModel>& builtin_model_files() {
    static const std::vector<BuiltinModel> files{
${entries}    };
    return files;
}

}  // namespace enlarge
")
  set_source_files_properties(${assembly} PROPERTIES OBJECT_DEPENDS "${ARGN}")
  set(${out} ${assembly} ${table} PARENT_SCOPE)
endfunction()
