// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * varlink_service: org.varlink.service, by which clients learn what a service offers.
 *
 *   varlink_call -> [varlink_service]
 *
 * What it tells is in our source code for all to read, so it asks nobody for permission.
 */
#include <errno.h>
#include <string.h>

#include "control/varlink_private.h"

static const char service_description[] =
	"# The Varlink Service Interface is provided by every varlink service. It\n"
	"# describes the service and the interfaces it implements.\n"
	"interface org.varlink.service\n"
	"\n"
	"# Get a list of all the interfaces a service provides and information\n"
	"# about the implementation.\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n"
	"\n"
	"# Get the description of an interface that is implemented by this service.\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"\n"
	"# The requested interface was not found.\n"
	"error InterfaceNotFound (interface: string)\n"
	"\n"
	"# The requested method was not found\n"
	"error MethodNotFound (method: string)\n"
	"\n"
	"# The interface defines the requested method, but the service does not\n"
	"# implement it.\n"
	"error MethodNotImplemented (method: string)\n"
	"\n"
	"# One of the passed parameters is invalid.\n"
	"error InvalidParameter (parameter: string)\n"
	"\n"
	"# Client is denied access\n"
	"error PermissionDenied ()\n"
	"\n"
	"# Method is expected to be called with 'more' set to true, but wasn't\n"
	"error ExpectedMore ()\n";

static void get_info(struct varlink_call *call, struct json_object *parameters, void *userdata)
{
	const struct varlink_interface *interface = connection_server(call->connection)->interface;
	_cleanup_(json_object_putp) struct json_object *info = json_object_new_object();
	struct json_object *names = json_object_new_array();

	if (!info || !names) {
		json_object_put(names);
		connection_fail(call->connection, -ENOMEM, "could not be answered");
		varlink_drop(call);
		return;
	}
	json_object_array_add(names, json_object_new_string(VARLINK_SERVICE));
	json_object_array_add(names, json_object_new_string(interface->name));
	json_object_object_add(info, "vendor", json_object_new_string(interface->vendor));
	json_object_object_add(info, "product", json_object_new_string(interface->product));
	json_object_object_add(info, "version", json_object_new_string(interface->version));
	json_object_object_add(info, "url", json_object_new_string(interface->url));
	json_object_object_add(info, "interfaces", names);
	varlink_reply(call, info);
}

static void get_interface_description(struct varlink_call *call, struct json_object *parameters,
				      void *userdata)
{
	const struct varlink_interface *interface = connection_server(call->connection)->interface;
	const char *name = varlink_string(parameters, "interface"), *description = NULL;
	_cleanup_(json_object_putp) struct json_object *reply = NULL;

	if (!strcmp(name, VARLINK_SERVICE))
		description = service_description;
	else if (!strcmp(name, interface->name))
		description = interface->description;
	if (!description) {
		varlink_error_with(call, VARLINK_SERVICE ".InterfaceNotFound", "interface", name,
				   strlen(name));
		return;
	}

	reply = json_object_new_object();
	if (reply)
		json_object_object_add(reply, "description", json_object_new_string(description));
	varlink_reply(call, reply);
}

const struct varlink_method varlink_service_methods[] = {
	{ "GetInfo", get_info, 0, {} },
	{ "GetInterfaceDescription",
	  get_interface_description,
	  0,
	  { { "interface", VARLINK_STRING, true } } },
	{},
};
