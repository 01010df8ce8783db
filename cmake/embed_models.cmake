# SPDX-License-Identifier: Apache-2.0
# enlarge_embed_models(OUT file...): sources that put the files into the library, and define builtin_model_files() of
# src/api/builtin_models.hpp.
include(${CMAKE_CURRENT_LIST_DIR}/embed.cmake)

function(enlarge_embed_models out)
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/builtin_models_data.S)
  set(table ${CMAKE_CURRENT_BINARY_DIR}/builtin_models.cpp)
  set(names "")
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME_WLE)
    list(APPEND names ${name})
  endforeach()
  enlarge_embed(${assembly} enlarge_builtin_model std::byte "${names}" ${ARGN})
  file(CONFIGURE OUTPUT ${table} @ONLY CONTENT "// Made by embed_models.cmake.
#include \"api/builtin_models.hpp\"

extern \"C\" {
${embed_declarations}}

namespace enlarge {

const std::vector<BuiltinModel>& builtin_model_files() {
    static const std::vector<BuiltinModel> files{
${embed_entries}    };
    return files;
}

}  // namespace enlarge
")
  set(${out} ${assembly} ${table} PARENT_SCOPE)
endfunction()
