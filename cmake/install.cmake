# SPDX-License-Identifier: Apache-2.0
# cmake --install: program, library, headers, CMake package enlarge::enlarge, pkg-config file. Components, which become
# packages (packages.cmake): program, library, development, python, gstreamer; licence, which each package has its own of.
include(CMakePackageConfigHelpers)

set(library_parts LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
install(TARGETS enlarge EXPORT enlarge ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development ${library_parts})
if(TARGET enlarge_shared)
  install(TARGETS enlarge_shared EXPORT enlarge ${library_parts})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/enlarge DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR}
        COMPONENT licence)

# A static library needs the libraries below it at link time; a shared one has found them already.
get_property(packages GLOBAL PROPERTY ENLARGE_PKG_CONFIG)  # "vips>=8.14"
set(dependencies "")
set(requires "")
if(NOT BUILD_SHARED_LIBS)
  string(APPEND dependencies "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\nfind_dependency(PkgConfig)\n")
  list(REMOVE_DUPLICATES packages)
  foreach(package ${packages})
    string(REGEX MATCH "^[^<>=]+" target ${package})
    string(APPEND dependencies
      "if(NOT TARGET PkgConfig::${target})\n  pkg_check_modules(${target} REQUIRED IMPORTED_TARGET ${package})\nendif()\n")
    string(REGEX REPLACE "([<>=]+)" " \\1 " package "${package}")
    list(APPEND requires "${package}")
  endforeach()
  list(JOIN requires " " requires)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/enlarge)
file(WRITE ${PROJECT_BINARY_DIR}/enlarge-config.cmake
  "# SPDX-License-Identifier: Apache-2.0\n${dependencies}include(\${CMAKE_CURRENT_LIST_DIR}/enlarge-targets.cmake)\n")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/enlarge-config-version.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT enlarge FILE enlarge-targets.cmake NAMESPACE enlarge:: DESTINATION ${package_dir}
        COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/enlarge-config.cmake ${PROJECT_BINARY_DIR}/enlarge-config-version.cmake
        DESTINATION ${package_dir} COMPONENT development)

# `pkg-config --libs enlarge` is enough for both kinds: Requires.private would pull in the static dependencies of the
# dependencies too, which are shared libraries as a rule.
set(libs "-lenlarge")
if(NOT BUILD_SHARED_LIBS)  # not the shared library beside it, which has the C interface only
  set(libs "-l:libenlarge.a -lstdc++ -lm -lpthread -ldl")
endif()
file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
file(WRITE ${PROJECT_BINARY_DIR}/enlarge.pc "prefix=\${pcfiledir}/${to_prefix}
libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}
includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}

Name: enlarge
Description: ${PROJECT_DESCRIPTION}
Version: ${PROJECT_VERSION}
Requires: ${requires}
Libs: -L\${libdir} ${libs}
Cflags: -I\${includedir}
")
file(WRITE ${PROJECT_BINARY_DIR}/enlarge-c.pc "prefix=\${pcfiledir}/${to_prefix}
libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}
includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}

Name: enlarge-c
Description: ${PROJECT_DESCRIPTION}: the C interface, shared
Version: ${PROJECT_VERSION}
Libs: -L\${libdir} -lenlarge
Cflags: -I\${includedir}
")
install(FILES ${PROJECT_BINARY_DIR}/enlarge.pc ${PROJECT_BINARY_DIR}/enlarge-c.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
