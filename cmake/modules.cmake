# SPDX-License-Identifier: Apache-2.0
# Flags shared by all code, and enlarge_module(): one OBJECT library per folder of src/.

add_library(enlarge_flags INTERFACE)
target_include_directories(enlarge_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_options(enlarge_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wno-missing-field-initializers -ffp-contract=off>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>  # false positives of g++ 12 on strings
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${ENLARGE_WERROR}>>:-Werror>)
if(ENLARGE_SCALAR_ONLY)
  target_compile_definitions(enlarge_flags INTERFACE ENLARGE_SCALAR_ONLY)
endif()
if(ENLARGE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(ENLARGE_SANITIZE)
  add_compile_options(-fsanitize=${ENLARGE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${ENLARGE_SANITIZE})
endif()

# enlarge_module(NAME [SOURCES ...] [PKG_CONFIG ...] [LIBS ...])
# Builds src/<folder>/*.cpp (or SOURCES) as enlarge_NAME and remembers it as part of the library. PKG_CONFIG are
# external libraries by their pkg-config names ("vips>=8.14"); the installed package finds them again. LIBS are others
# that the finished library needs at link time.
function(enlarge_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;PKG_CONFIG;LIBS" ${ARGN})
  foreach(package ${arg_PKG_CONFIG})
    string(REGEX MATCH "^[^<>=]+" target ${package})
    pkg_check_modules(${target} REQUIRED IMPORTED_TARGET GLOBAL ${package})
    list(APPEND arg_LIBS PkgConfig::${target})
    set_property(GLOBAL APPEND PROPERTY ENLARGE_PKG_CONFIG ${package})
  endforeach()
  if(NOT arg_SOURCES)
    file(GLOB arg_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  add_library(enlarge_${name} OBJECT ${arg_SOURCES})
  target_link_libraries(enlarge_${name} PRIVATE enlarge_flags ${arg_LIBS})
  if(NOT BUILD_SHARED_LIBS)  # which is the C++ interface; libenlarge.so of the C interface needs what ENLARGE_API marks
    set_target_properties(enlarge_${name} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  endif()
  set_property(GLOBAL APPEND PROPERTY ENLARGE_MODULES enlarge_${name})
  set_property(GLOBAL APPEND PROPERTY ENLARGE_LIBS ${arg_LIBS})
endfunction()

# enlarge_add_test(NAME LABEL COMMAND...): a test whose cases are counted and whose skips are judged, see
# tests/run/run_cases.py and tests/expected_skips.
function(enlarge_add_test name label)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  add_test(NAME ${name} COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/run/run_cases.py ${name}
           ${PROJECT_BINARY_DIR}/cases ${PROJECT_SOURCE_DIR}/tests/expected_skips ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS "${label}" TIMEOUT 600 SKIP_RETURN_CODE 77)
  if(ENLARGE_SANITIZE)  # everything takes longer, and tests ask for more memory than there is
    set(suppressions ${PROJECT_SOURCE_DIR}/tests/run/suppressions)
    set_tests_properties(${name} PROPERTIES TIMEOUT 3600 ENVIRONMENT "ASAN_OPTIONS=allocator_may_return_null=1;\
LSAN_OPTIONS=suppressions=${suppressions}/leaks.txt:print_suppressions=0;\
UBSAN_OPTIONS=print_stacktrace=1;\
TSAN_OPTIONS=suppressions=${suppressions}/threads.txt:ignore_noninstrumented_modules=1:history_size=4")
  endif()
endfunction()

# enlarge_test(NAME LABEL sources...): a GoogleTest program.
function(enlarge_test name label)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE enlarge_flags enlarge test_source_folder GTest::gtest_main)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)  # half the time to compile; the library keeps -O3
  enlarge_add_test(${name} "${label}" $<TARGET_FILE:${name}>)
endfunction()
