# SPDX-License-Identifier: Apache-2.0
# Makes a tiny tree with remarks that check_notices.py must find fault with, and one that is right.
file(REMOVE_RECURSE ${SCRATCH})
file(WRITE ${SCRATCH}/src/media/bad.cpp "void f() {\n    job.notice(\"no code\");\n    plan.notices.push_back(text);\n"
  "    log(LogLevel::warning, path + \": no code\");\n    job.notice({\"not-listed\", \"text\"});\n    reporter.note({\"listed\", \"text\"});\n}\n")
file(WRITE ${SCRATCH}/docs/json.md "## Codes of notes\n\n| `listed` | used |\n| `forgotten` | no longer used |\n")
execute_process(COMMAND ${PYTHON} ${ROOT}/tools/check_notices.py ${SCRATCH} RESULT_VARIABLE code OUTPUT_VARIABLE text)
foreach(expected "bad.cpp:2: a remark without a code" "bad.cpp:3: a remark without a code" "bad.cpp:4: a remark without a code"
        "code 'not-listed' is not in" "nothing says 'forgotten'" "2 codes, 5 findings")
  if(code EQUAL 0 OR NOT text MATCHES "${expected}")
    message(FATAL_ERROR "'${expected}' was not found: ${text}")
  endif()
endforeach()
