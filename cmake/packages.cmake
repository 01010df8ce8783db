# SPDX-License-Identifier: Apache-2.0
# Debian packages by CPack, one for each component of the installation; scripts/package calls it. What is made here is
# for the Debian release that it is made on.
set(revision 1)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME enlarge)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # else it is put before each package's own
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${revision})
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/src)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/packages/compress.cmake)
set(version "${PROJECT_VERSION}-${revision}")

# Who packages it: as Debian's tools find it, else who made the last commit.
set(name $ENV{DEBFULLNAME})
set(address $ENV{DEBEMAIL})
execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} log -1 --format=%an%n%ae%n%ct OUTPUT_VARIABLE commit ERROR_QUIET)
string(REPLACE "\n" ";" commit "${commit};;;")
if(NOT name)
  list(GET commit 0 name)
endif()
if(NOT address)
  list(GET commit 1 address)
endif()
list(GET commit 2 seconds)
if(NOT name OR NOT address)
  message(FATAL_ERROR "Packages name who made them: set DEBFULLNAME and DEBEMAIL")
endif()
set(CPACK_PACKAGE_CONTACT "${name} <${address}>")

# The date of the last commit, in Debian's form.
if(NOT DEFINED ENV{SOURCE_DATE_EPOCH} AND seconds)
  set(ENV{SOURCE_DATE_EPOCH} ${seconds})
endif()
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)

# What is loaded while running stands in no program's header: the packages of FFmpeg's libraries are asked for by a
# library of no code that is linked to them.
function(find_loaded_packages to)
  set(folder ${PROJECT_BINARY_DIR}/loaded)
  file(WRITE ${folder}/debian/control "Source: enlarge\n\nPackage: enlarge\nArchitecture: any\n")
  file(WRITE ${folder}/none.c "")
  execute_process(COMMAND ${CMAKE_C_COMPILER} -shared -o ${folder}/loaded.so ${folder}/none.c -Wl,--no-as-needed
                          -lavcodec -lavformat -lavfilter COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND dpkg-shlibdeps -O ${folder}/loaded.so WORKING_DIRECTORY ${folder} OUTPUT_VARIABLE found
                  ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REGEX REPLACE "^shlibs:Depends=" "" found "${found}")
  string(REGEX REPLACE "(, )?libc6[^,]*" "" found "${found}")
  set(${to} "${found}" PARENT_SCOPE)
endfunction()
find_loaded_packages(loaded)

# The packages that the libraries of the static libenlarge.a are linked from.
function(find_development_packages to)
  get_property(packages GLOBAL PROPERTY ENLARGE_PKG_CONFIG)
  list(REMOVE_DUPLICATES packages)
  set(names "")
  foreach(package ${packages})
    string(REGEX MATCH "^[^<>=]+" module ${package})
    execute_process(COMMAND pkg-config --variable=pcfiledir ${module} OUTPUT_VARIABLE folder
                    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND dpkg-query -S ${folder}/${module}.pc OUTPUT_VARIABLE owner COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX REPLACE ":.*" "" owner "${owner}")
    list(APPEND names ${owner})
  endforeach()
  list(REMOVE_DUPLICATES names)
  list(JOIN names ", " names)
  set(${to} "${names}" PARENT_SCOPE)
endfunction()
find_development_packages(development)

# enlarge_package(COMPONENT NAME SECTION DEPENDS SHORT LONG [RECOMMENDS ...] [CONTROL ...])
# LONG is of lines of at most 79 columns, with an empty one between paragraphs.
function(enlarge_package component name section depends short long)
  cmake_parse_arguments(arg "" "RECOMMENDS;ARCHITECTURE" "CONTROL" ${ARGN})
  string(TOUPPER ${component} key)
  set(prefix CPACK_DEBIAN_${key}_PACKAGE)
  set(${prefix}_NAME ${name} PARENT_SCOPE)
  set(${prefix}_SECTION ${section} PARENT_SCOPE)
  set(${prefix}_DEPENDS "${depends}" PARENT_SCOPE)
  set(${prefix}_RECOMMENDS "${arg_RECOMMENDS}" PARENT_SCOPE)
  set(${prefix}_CONTROL_EXTRA "${arg_CONTROL}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_DESCRIPTION "${short}\n${long}" PARENT_SCOPE)
  if(arg_ARCHITECTURE)
    set(${prefix}_ARCHITECTURE ${arg_ARCHITECTURE} PARENT_SCOPE)
  endif()
  set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${component} PARENT_SCOPE)

  set(made ${PROJECT_BINARY_DIR}/packages/${name})
  file(READ ${PROJECT_SOURCE_DIR}/NOTICE notice)
  file(CONFIGURE OUTPUT ${made}/copyright @ONLY CONTENT
       "@notice@\nOn Debian systems the text of the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.\n")
  file(CONFIGURE OUTPUT ${made}/changelog.Debian @ONLY CONTENT
       "enlarge (@version@) unstable; urgency=medium\n\n  * Made from the sources by scripts/package.\n
 -- @CPACK_PACKAGE_CONTACT@  @date@\n")
  file(REMOVE ${made}/changelog.Debian.gz)
  execute_process(COMMAND gzip -9nk ${made}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
  install(FILES ${made}/copyright ${made}/changelog.Debian.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name}
          COMPONENT ${component})
endfunction()

set(what "Real-ESRGAN-family networks (Compact, ESRGAN, SPAN, transformers and others)
run on the processor, or on a GPU where there is a driver; what is known of a
picture or film besides its pixels is kept.")
set(CPACK_COMPONENTS_ALL "")
enlarge_package(program enlarge graphics "${loaded}" "makes pictures and video larger and cleaner" "${what}

This is the program, with its manual and completions."
 RECOMMENDS ca-certificates)
file(WRITE ${PROJECT_BINARY_DIR}/packages/triggers "activate-noawait ldconfig\n")
file(WRITE ${PROJECT_BINARY_DIR}/packages/shlibs "libenlarge 0 libenlarge0 (>= ${PROJECT_VERSION})\n")
enlarge_package(library libenlarge0 libs "${loaded}" "makes pictures and video larger and cleaner - library" "${what}

This is the library, with the C interface."
 RECOMMENDS ca-certificates CONTROL ${PROJECT_BINARY_DIR}/packages/triggers ${PROJECT_BINARY_DIR}/packages/shlibs)
enlarge_package(development libenlarge-dev libdevel "libenlarge0 (= ${version}), ${development}"
 "makes pictures and video larger and cleaner - development" "${what}

These are the headers of the C and the C++ interface, the static library, and
what CMake and pkg-config need to find them.")

set(scripts ${PROJECT_BINARY_DIR}/packages/python)
file(CONFIGURE OUTPUT ${scripts}/postinst CONTENT "#!/bin/sh
set -e
if command -v py3compile >/dev/null 2>&1; then
    py3compile -p python3-enlarge
fi
")
file(CONFIGURE OUTPUT ${scripts}/prerm CONTENT "#!/bin/sh
set -e
if command -v py3clean >/dev/null 2>&1; then
    py3clean -p python3-enlarge
else
    find /usr/lib/python3/dist-packages/enlarge -name __pycache__ -type d -prune -exec rm -rf {} +
fi
")
enlarge_package(python python3-enlarge python "python3 (>= 3.9), libenlarge0 (>= ${version})"
 "makes pictures and video larger and cleaner - Python 3" "${what}

This is the Python package: arrays, tensors and files."
 RECOMMENDS python3-numpy ARCHITECTURE all CONTROL ${scripts}/postinst ${scripts}/prerm)

get_cmake_property(components COMPONENTS)
if(gstreamer IN_LIST components)
  enlarge_package(gstreamer gstreamer1.0-enlarge libs "libenlarge0 (>= ${version})"
                  "makes video larger and cleaner - GStreamer element" "${what}

This is the element enlarge of GStreamer.")
endif()
include(CPack)
