<?php
$claims = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
$metadata['__DYNAMIC:1__'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key',
    'certificate' => 'idp.crt',
    'auth' => 'people',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'authproc' => [
        // what the name is made of stays under its own name
        20 => [
            'class' => 'core:AttributeMap',
            '%duplicate',
            'mail' => "$claims/emailaddress",
            'displayName' => "$claims/name",
            'givenName' => "$claims/givenname",
            'sn' => "$claims/surname",
            'groups' => 'http://schemas.xmlsoap.org/claims/Group',
        ],
    ],
];
