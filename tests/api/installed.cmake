# SPDX-License-Identifier: Apache-2.0
# Installs the build into an empty folder, then builds and runs a program against it: once found by CMake, once by
# pkg-config from C.
set(prefix ${WORK}/prefix)
file(REMOVE_RECURSE ${WORK})
set(flags "")
if(SANITIZE)
  set(flags "-fsanitize=${SANITIZE}")
endif()

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGV " " line)
    message(FATAL_ERROR "failed: ${line}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
foreach(file bin/enlarge include/enlarge/enlarge.h include/enlarge/enlarge.hpp ${LIBDIR}/pkgconfig/enlarge.pc
        ${LIBDIR}/cmake/enlarge/enlarge-config.cmake)
  if(NOT EXISTS ${prefix}/${file})
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()

run(${prefix}/bin/enlarge --version)

run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_C_COMPILER=${CC}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS=${flags}")
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
message("CMake: ${output}")

set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
run(pkg-config --cflags --libs enlarge)
string(STRIP "${output}" found)
separate_arguments(found UNIX_COMMAND "${found}")
separate_arguments(extra UNIX_COMMAND "${flags}")
run(${CC} -std=c99 ${extra} ${SOURCE}/consumer.c -o ${WORK}/consumer_c ${found})
set(ENV{LD_LIBRARY_PATH} ${prefix}/${LIBDIR})
run(${WORK}/consumer_c)
message("pkg-config: ${output}")

# The C interface alone, shared.
if(EXISTS ${prefix}/${LIBDIR}/libenlarge.so AND EXISTS ${prefix}/${LIBDIR}/libenlarge.a)
  run(pkg-config --cflags --libs enlarge-c)
  string(STRIP "${output}" found)
  separate_arguments(found UNIX_COMMAND "${found}")
  run(${CC} -std=c99 ${extra} ${SOURCE}/consumer.c -o ${WORK}/consumer_shared ${found})
  run(${WORK}/consumer_shared)
  message("shared: ${output}")
endif()
