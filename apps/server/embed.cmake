# SPDX-License-Identifier: Apache-2.0
# enlarge_embed_page(OUT file...): sources that put the files into the program, and define page_files(). The sample's
# picture is called sample.jpg there.
include(${PROJECT_SOURCE_DIR}/cmake/embed.cmake)

function(enlarge_embed_page out)
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/page_data.S)
  set(table ${CMAKE_CURRENT_BINARY_DIR}/page_files.cpp)
  set(names "")
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME)
    string(REGEX REPLACE "^cat\\.jpg$" "sample.jpg" name ${name})
    list(APPEND names ${name})
  endforeach()
  enlarge_embed(${assembly} enlarge_page char "${names}" ${ARGN})
  file(CONFIGURE OUTPUT ${table} @ONLY CONTENT "// Made by embed.cmake.
#include \"page/page.hpp\"

extern \"C\" {
${embed_declarations}}

namespace serve {

const std::vector<PageFile>& page_files() {
    static const std::vector<PageFile> files{
${embed_entries}    };
    return files;
}

}  // namespace serve
")
  set(${out} ${assembly} ${table} PARENT_SCOPE)
endfunction()
