# SPDX-License-Identifier: Apache-2.0
# enlarge_embed(ASSEMBLY SYMBOL TYPE NAMES file...): writes an assembler source that puts the files into the program as
# read-only data, byte for byte (.incbin: no compiler reads the bytes), and sets embed_declarations and embed_entries
# for the table that names them: {"name", {first, size}} of TYPE, one for each of the list NAMES.
function(enlarge_embed assembly symbol type names)
  set(text "    .section .rodata\n")
  set(declarations "")
  set(entries "")
  set(index 0)
  foreach(file ${ARGN})
    list(GET names ${index} name)
    set(at ${symbol}_${index})
    string(APPEND text "    .balign 64\n    .globl ${at}\n    .hidden ${at}\n${at}:\n    .incbin \"${file}\"\n"
                       "    .globl ${at}_end\n    .hidden ${at}_end\n${at}_end:\n    .byte 0\n")
    string(APPEND declarations "extern const ${type} ${at}[], ${at}_end[];\n")
    string(APPEND entries "        {\"${name}\", {${at}, static_cast<std::size_t>(${at}_end - ${at})}},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND text "    .section .note.GNU-stack,\"\",%progbits\n")
  file(CONFIGURE OUTPUT ${assembly} CONTENT "${text}" @ONLY)
  set_source_files_properties(${assembly} PROPERTIES OBJECT_DEPENDS "${ARGN}")
  set(embed_declarations "${declarations}" PARENT_SCOPE)
  set(embed_entries "${entries}" PARENT_SCOPE)
endfunction()
