<?php
// What a test wants otherwise, also while it runs.
$file = getenv('SAML_FOLDER') . '/provider.json';
$otherwise = is_file($file) ? file_get_contents($file) : (getenv('SAML_IDENTITY_PROVIDER') ?: '{}');
$metadata['__DYNAMIC:1__'] = json_decode($otherwise, true) + [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key',
    'certificate' => 'idp.crt',
    'auth' => 'people',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'authproc' => [
        3 => ['class' => 'saml:PersistentNameID', 'attribute' => 'uid'],
        4 => ['class' => 'saml:TransientNameID'],
    ],
];
