# SPDX-License-Identifier: Apache-2.0
# Makes a tiny tree in which graph includes backend, and expects check_layers.py to say so.
file(REMOVE_RECURSE ${SCRATCH})
file(WRITE ${SCRATCH}/src/graph/bad.cpp "#include \"backend/backend.hpp\"\n")
execute_process(COMMAND ${PYTHON} ${ROOT}/tools/check_layers.py ${SCRATCH} RESULT_VARIABLE code OUTPUT_VARIABLE text)
if(code EQUAL 0 OR NOT text MATCHES "src/graph/bad.cpp:1: graph includes backend/backend.hpp")
  message(FATAL_ERROR "the planted violation was not found: ${text}")
endif()
